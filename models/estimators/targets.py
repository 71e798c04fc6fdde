"""What an estimator can predict."""

from typing import Literal

Target = Literal["failure", "remaining_life", "condition"]
