"""Certificates for a test: an authority, a key store signed by it, and an authority that signed nothing. By `openssl`."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class TlsFiles:
    """PEM files. The key store is for `localhost` and for no address: 127.0.0.1 is another name."""

    keystore: Path
    authority: Path
    stranger: Path


def make_tls_files(folder: Path) -> TlsFiles:
    """Makes them in `folder`; valid for two days."""
    authority, stranger = (_authority(folder, name) for name in ("authority", "stranger"))
    key, request, certificate = folder / "server.key", folder / "server.csr", folder / "server.pem"
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=DNS:localhost\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
    _openssl("req", *_NEW_KEY, "-keyout", str(key), "-out", str(request), "-subj", "/CN=localhost")
    signed_by = ["-CA", str(authority), "-CAkey", str(authority.with_suffix(".key")), "-CAcreateserial"]
    _openssl("x509", "-req", "-in", str(request), *signed_by, "-days", "2", "-extfile", str(extensions), "-out", str(certificate))
    keystore = folder / "keystore.pem"
    keystore.write_text(key.read_text() + certificate.read_text() + authority.read_text())
    return TlsFiles(keystore, authority, stranger)


def _authority(folder: Path, name: str) -> Path:
    certificate = folder / f"{name}.pem"
    key = certificate.with_suffix(".key")
    _openssl("req", "-x509", *_NEW_KEY, "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", f"/CN={name}")
    return certificate


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)
