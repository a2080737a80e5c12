"""`python -m services.runtime.healthcheck [path]`: exit with 0 if this container's service answers 200."""

import os
import sys
import urllib.error
import urllib.request

_TIMEOUT_SECONDS = 4
# The address is this container's own: a proxy of the environment would ask another one.
_without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main() -> int:
    """Request the path once, by default `healthz`, and return the exit status."""
    path = sys.argv[1] if len(sys.argv) > 1 else "healthz"
    port = os.environ["COHOST_HTTP_PORT"]  # noqa: TID251 - set in the image, and no other setting is needed
    url = f"http://127.0.0.1:{port}/{path}"
    try:
        with _without_proxy.open(url, timeout=_TIMEOUT_SECONDS):
            return 0
    except OSError as error:
        body = error.read().decode() if isinstance(error, urllib.error.HTTPError) else str(error)
        sys.stderr.write(f"{body}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
