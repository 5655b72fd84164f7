"""The address of a cluster elsewhere: what ``RAY_ADDRESS`` says, and whether anything answers there."""

from __future__ import annotations

import os
import socket

from calque.data.errors import UserError, shown

VARIABLE = "RAY_ADDRESS"
SECONDS = 20.0
"""An address that has not answered by then is refused; Ray itself tries for up to a quarter of an hour."""
REMEDY = f"correct {VARIABLE}, or unset it to run on this machine"


def cluster_address() -> str | None:
    """Return the address of the cluster to use, or None where one is to be started on this machine."""
    address = os.environ.get(VARIABLE, "").strip()
    return None if address in ("", "local") else address


def check_answers(address: str) -> None:
    """Refuse an address at which no Ray cluster answers.

    Parameters
    ----------
    address : str
        ``HOST:PORT`` of a head node, ``ray://HOST:PORT`` of a Ray Client server, or ``auto``.

    Raises
    ------
    UserError
        When it is of another form, or nothing answers.
    """
    if address.startswith(("http://", "https://")):
        raise UserError(
            f"{VARIABLE} is {shown(address)}, the dashboard's address for `ray job submit`; expected HOST:PORT of the "
            f"head node, such as 10.0.0.1:6379: {REMEDY}"
        )
    place = _of_this_machine() if address == "auto" else address.removeprefix("ray://")
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536 or "/" in host:
        raise UserError(f"{VARIABLE} is {shown(address)}; expected HOST:PORT, ray://HOST:PORT or auto: {REMEDY}")
    try:
        socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no name of a machine"
        raise UserError(f"{VARIABLE} is {shown(address)}: {reason}; {REMEDY}") from None
    if not _answers(place, SECONDS):
        raise UserError(
            f"{VARIABLE} is {shown(address)}, and no Ray cluster answered there within {SECONDS:g} s; start it with "
            f"`ray start --head`, {REMEDY}"
        )


def _of_this_machine() -> str:
    """Return ``HOST:PORT`` of the cluster that was started on this machine last."""
    from ray._private.services import canonicalize_bootstrap_address

    try:
        found = canonicalize_bootstrap_address("auto")
    except (ConnectionError, ValueError):
        found = None
    if not found:
        raise UserError(f"{VARIABLE} is 'auto', and no Ray runs on this machine; start one, or {REMEDY}")
    return str(found)


def _answers(place: str, seconds: float) -> bool:
    """Return whether a gRPC server, as Ray's are, answers at ``HOST:PORT``; with TLS, whether anything listens."""
    if os.environ.get("RAY_USE_TLS", "0").lower() not in ("", "0", "false"):
        host, _, port = place.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
        except OSError:
            return False
        return True
    import grpc

    with grpc.insecure_channel(place) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=seconds)
        except grpc.FutureTimeoutError:
            return False
    return True
