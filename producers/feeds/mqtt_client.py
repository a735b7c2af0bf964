"""The MQTT library's client, made and connected as the configuration says; its errors as sentences with a remedy."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from pipeline.config.feeds import MqttSettings
from pipeline.errors import BrokerUnreachable, ConfigurationError

CONNECTED_WITHIN_S = 10.0
MAX_BACKOFF_S = 30
FOR_EVER_S = 0xFFFFFFFF  # as the protocol writes it


def make_client(settings: MqttSettings, client_id: str, lasting: bool = True) -> Client:
    """A client that acknowledges nothing by itself; a `lasting` session outlives its connections. Raises `ConfigurationError`."""
    protocol = MQTTProtocolVersion.MQTTv5 if settings.version == "5" else MQTTProtocolVersion.MQTTv311
    clean = None if settings.version == "5" else not lasting
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


def connect(client: Client, settings: MqttSettings, lasting: bool = True) -> None:
    """Opens the connection and asks for the session. Raises `BrokerUnreachable`."""
    place = place_of(settings)
    try:
        client.connect(settings.host, settings.port, settings.keepalive_ms // 1_000, **_session(settings, lasting))
    except ssl.SSLCertVerificationError as error:
        remedy = "set mqtt.ssl_cafile to the authority that signed it, and mqtt.host to the name in it"
        raise BrokerUnreachable(f"{place}: its certificate is not trusted: {error.verify_message}; {remedy}") from error
    except ssl.SSLError as error:
        raise BrokerUnreachable(f"{place}: no TLS: {error.reason or error}; is it the port for TLS?") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BrokerUnreachable(f"{place}: {reason}; is it the host and port of an MQTT broker?") from error


def subscriptions(settings: MqttSettings) -> list[tuple[str, Any]]:
    """The filters to subscribe to, each with how, as the protocol's version says it."""
    how: Any = settings.qos
    if settings.version == "5":
        handling = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB if settings.retained else SubscribeOptions.RETAIN_DO_NOT_SEND
        how = SubscribeOptions(settings.qos, retainHandling=handling)
    return [(pattern.filter, how) for pattern in settings.patterns()]


def try_out(settings: MqttSettings, client_id: str) -> None:
    """Connects, subscribes and leaves, by a name of its own: nothing is acknowledged, and a bridge at work keeps its session.

    Raises `BrokerUnreachable`, `ConfigurationError`.
    """
    client = make_client(settings, f"{client_id}.check", lasting=False)
    answers: SimpleQueue[BrokerUnreachable | None] = SimpleQueue()

    def on_connect(client: Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if reason.is_failure:
            answers.put(refused_session(settings, reason))
        else:
            client.subscribe(subscriptions(settings))

    def on_subscribe(client: Client, userdata: Any, mid: int, reasons: Sequence[ReasonCode], properties: Any) -> None:
        answers.put(refused_topics(settings, reasons))

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    connect(client, settings, lasting=False)
    client.loop_start()
    try:
        refusal = answers.get(timeout=CONNECTED_WITHIN_S)
    except Empty:
        refusal = no_session(settings)
    finally:
        client.disconnect()
        client.loop_stop()
    if refusal is not None:
        raise refusal


def refused_session(settings: MqttSettings, reason: ReasonCode) -> BrokerUnreachable:
    """The broker answered, and does not let us in."""
    remedy = "look at mqtt.username, mqtt.password and mqtt.client_id"
    return BrokerUnreachable(f"{place_of(settings)}: the broker refuses the connection: {reason}; {remedy}")


def refused_topics(settings: MqttSettings, reasons: Sequence[ReasonCode]) -> BrokerUnreachable | None:
    """What may not be subscribed to, by the broker's answers in the order of the filters; None where all may."""
    filters = [pattern.filter for pattern in settings.patterns()]
    refused = [f"{filter_}: {reason}" for filter_, reason in zip(filters, reasons, strict=False) if reason.is_failure]
    if not refused:
        return None
    return BrokerUnreachable(f"mqtt.topics: the broker refuses to subscribe to {', '.join(refused)}; may mqtt.username read it?")


def no_session(settings: MqttSettings) -> BrokerUnreachable:
    """Something listens there and says nothing."""
    hint = "and does it want a certificate (mqtt.ssl_certfile)?" if settings.tls else "and without TLS (mqtt.tls)?"
    return BrokerUnreachable(f"{place_of(settings)}: it accepts connections but no session; does it speak MQTT, {hint}")


def place_of(settings: MqttSettings) -> str:
    """The broker, as errors name it."""
    return f"mqtt.host = {settings.host}:{settings.port}"


def _session(settings: MqttSettings, lasting: bool) -> dict[str, Any]:
    """MQTT 3.1.1 says it when the client is made."""
    if settings.version != "5":
        return {}
    if not lasting:
        return {"clean_start": True}
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # the library's
    expiry_ms = settings.session_expiry_ms
    properties.SessionExpiryInterval = FOR_EVER_S if expiry_ms is None else min(-(-expiry_ms // 1_000), FOR_EVER_S)
    properties.ReceiveMaximum = settings.max_in_flight
    return {"clean_start": False, "properties": properties}
