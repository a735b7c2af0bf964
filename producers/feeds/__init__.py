"""What the live feeds are made of. Only `mqtt_client` and `http_service` know a network library."""
