"""Checks deliveries as a receiver in Python does, with the official library. Gets them as JSON; ends with an error when one
that is ours is refused, or another one is taken."""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

for case in json.load(sys.stdin):
    try:
        Webhook(case["secret"]).verify(case["body"], case["headers"])
        taken = True
    except (WebhookVerificationError, ValueError):  # the second one at a signature without a comma
        taken = False
    assert taken == case["is_ours"], case["headers"]
