# One image for every process of the pipeline: `docker run sensorline COMMAND`.
FROM python:3.12-slim
WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY pipeline pipeline
COPY producers producers
COPY consumers consumers
RUN pip install --no-cache-dir --constraint constraints.txt .
WORKDIR /data
USER 1000
ENTRYPOINT ["sensorline"]
