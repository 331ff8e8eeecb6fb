"""Certificates for loopback, by openssl."""

import subprocess

import pytest


def openssl(*options, folder):
    done = subprocess.run(["openssl", *options], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"openssl {' '.join(options)}: {done.stderr}")


def authority(folder, name):
    """The certificate and key of an authority, `NAME.crt` and `NAME.key`."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
    openssl("req", "-x509", *key, "-out", f"{name}.crt", "-days", "2", "-subj", f"/CN={name}", folder=folder)


def signed(folder, by, name):
    """A certificate and key, `NAME.crt` and `NAME.key`, for loopback."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
    openssl("req", "-new", *key, "-out", f"{name}.csr", "-subj", f"/CN={name}", folder=folder)
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    how = ("-CA", f"{by}.crt", "-CAkey", f"{by}.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *how, folder=folder)
