"""The MQTT library's client, made and connected as the configuration says; its errors as sentences with a remedy."""

from __future__ import annotations

import ssl
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from pipeline.config.feeds import MqttSettings
from pipeline.errors import BrokerUnreachable, ConfigurationError

MAX_BACKOFF_S = 30
FOR_EVER_S = 0xFFFFFFFF  # as the protocol writes it


def make_client(settings: MqttSettings, client_id: str) -> Client:
    """A client whose session outlives its connections, and that acknowledges nothing by itself. Raises `ConfigurationError`."""
    protocol = MQTTProtocolVersion.MQTTv5 if settings.version == "5" else MQTTProtocolVersion.MQTTv311
    clean = None if settings.version == "5" else False
    client = Client(CallbackAPIVersion.VERSION2, client_id, clean_session=clean, protocol=protocol, manual_ack=True)
    client.reconnect_delay_set(1, MAX_BACKOFF_S)
    if settings.username is not None:
        client.username_pw_set(settings.username, settings.password.get_secret_value() if settings.password is not None else None)
    if settings.tls:
        authority, certificate, key = (
            str(file) if file is not None else None for file in (settings.ssl_cafile, settings.ssl_certfile, settings.ssl_keyfile)
        )
        try:
            client.tls_set(authority, certificate, key)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise ConfigurationError(f"mqtt.ssl_cafile, ssl_certfile, ssl_keyfile: cannot be used: {error}") from error
    return client


def connect(client: Client, settings: MqttSettings) -> None:
    """Opens the connection and asks for the session. Raises `BrokerUnreachable`."""
    place = place_of(settings)
    try:
        client.connect(settings.host, settings.port, settings.keepalive_ms // 1_000, **_session(settings))
    except ssl.SSLCertVerificationError as error:
        remedy = "set mqtt.ssl_cafile to the authority that signed it, and mqtt.host to the name in it"
        raise BrokerUnreachable(f"{place}: its certificate is not trusted: {error.verify_message}; {remedy}") from error
    except ssl.SSLError as error:
        raise BrokerUnreachable(f"{place}: no TLS: {error.reason or error}; is it the port for TLS?") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BrokerUnreachable(f"{place}: {reason}; is it the host and port of an MQTT broker?") from error


def subscription(settings: MqttSettings) -> Any:
    """How to subscribe, as the protocol's version says it."""
    if settings.version != "5":
        return settings.qos
    handling = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB if settings.retained else SubscribeOptions.RETAIN_DO_NOT_SEND
    return SubscribeOptions(settings.qos, retainHandling=handling)


def place_of(settings: MqttSettings) -> str:
    """The broker, as errors name it."""
    return f"mqtt.host = {settings.host}:{settings.port}"


def _session(settings: MqttSettings) -> dict[str, Any]:
    """MQTT 3.1.1 says it when the client is made."""
    if settings.version != "5":
        return {}
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # the library's
    expiry_ms = settings.session_expiry_ms
    properties.SessionExpiryInterval = FOR_EVER_S if expiry_ms is None else min(-(-expiry_ms // 1_000), FOR_EVER_S)
    properties.ReceiveMaximum = settings.max_in_flight
    return {"clean_start": False, "properties": properties}
