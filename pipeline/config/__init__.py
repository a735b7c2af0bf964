"""Configuration: a TOML file, environment variables over it, validated at once, immutable afterwards.

    configuration = load(Path("sensorline.toml"), os.environ)
    configuration.settings.window.policy()

It knows the core's policies, whose values it fills, and no broker, no model library, no command line.
"""

from pipeline.config.load import Configuration, Effective, load
from pipeline.config.settings import Settings

__all__ = ["Configuration", "Effective", "Settings", "load"]
