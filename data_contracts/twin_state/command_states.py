"""The states of a command, and which follow which."""

from typing import Final

PENDING, SENT, ACKNOWLEDGED, REFUSED = "pending", "sent", "acknowledged", "refused"
EXPIRED: Final = "expired"
WITHDRAWN: Final = "withdrawn"
"""A later command about the same property has taken its place, or no commands are published any more."""

OPEN = (PENDING, SENT)
"""What is published, once more if need be."""
ANSWERED = (ACKNOWLEDGED, REFUSED)
"""What the machine said, which is final."""
STATES = (*OPEN, *ANSWERED, EXPIRED, WITHDRAWN)
FOLLOWING: Final = {
    # Killed between publishing and noting it, a listener finds the answer to what it has not noted as sent.
    PENDING: (SENT, *ANSWERED, EXPIRED, WITHDRAWN),
    SENT: (*ANSWERED, EXPIRED, WITHDRAWN),
    # The machine may have carried out what was given up here.
    EXPIRED: ANSWERED,
    WITHDRAWN: ANSWERED,
    ACKNOWLEDGED: (),
    REFUSED: (),
}
"""The states that may follow each."""
