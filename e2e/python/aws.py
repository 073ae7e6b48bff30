"""How the boto3 tests reach a sandbox."""

import os

import boto3
from botocore.config import Config

URL = os.environ["SANDBOX_URL"]
TLS_URL = os.environ["SANDBOX_TLS_URL"]
CERTIFICATE = os.environ["SANDBOX_CERTIFICATE"]
REGION = "us-east-1"


def client(service, *, key="sandbox", secret="sandbox", token=None, tls=False, wishes="", **config):
    """A boto3 client of a sandbox. What wishes says goes into X-Sandbox, the directive of direct calls."""
    made = boto3.session.Session().client(
        service,
        region_name=REGION,
        endpoint_url=TLS_URL if tls else URL,
        verify=CERTIFICATE if tls else None,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(**{"retries": {"total_max_attempts": 1}} | config),
    )
    if wishes:
        made.meta.events.register("before-call", lambda params, **_: params["headers"].update({"X-Sandbox": wishes}))
    return made
