"""What can go wrong with a language model, as the bridge names it."""

from typing import ClassVar

from hairem_core.errors import HairemError


class ModelError(HairemError):
    """A language model gave no answer, or no whole one."""

    code: ClassVar[str] = "model_unreachable"


class ModelUnreachableError(ModelError):
    """The server cannot be reached, or fails by itself."""

    code: ClassVar[str] = "model_unreachable"


class ModelTimeoutError(ModelError):
    """The model did not begin to answer in time."""

    code: ClassVar[str] = "model_timeout"


class ModelRefusedError(ModelError):
    """The provider refuses the request: wrong key, unknown model, quota, content filter."""

    code: ClassVar[str] = "model_refused"


class ModelInterruptedError(ModelError):
    """The answer had begun and broke off."""

    code: ClassVar[str] = "model_interrupted"


class ModelRubbishError(ModelError):
    """The answer is not what the protocol allows."""

    code: ClassVar[str] = "model_rubbish"
