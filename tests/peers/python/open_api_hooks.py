"""Schemathesis's hooks: answers are short, so that a run has many of them.

None has log-probabilities, which simulated lanes don't give.
"""

import schemathesis

LOGPROBS = {"logprobs", "top_logprobs", "n_probs"}
LONGEST = {"max_tokens": 3, "max_completion_tokens": 3, "max_output_tokens": 3, "n_predict": 3, "n": 2}


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict) or not ({"messages", "prompt", "input"} & body.keys()):
        return body
    unset = {name: most for name, most in LONGEST.items() if name.startswith("max") and name not in body}
    return {**unset, **{name: shorter(name, value) for name, value in body.items() if name not in LOGPROBS}}


def shorter(name, value):
    """A value that the schema forbids stays, since it has to be refused."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    allowed = is_whole and name in LONGEST and 1 <= value <= (128 if name == "n" else value)
    return min(value, LONGEST[name]) if allowed else value
