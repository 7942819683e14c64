"""What the service answers, as its JSON says it."""

from pydantic import BaseModel, Field


class Guess(BaseModel):
    """A class, and how sure the model is of it."""

    label: int
    name: str
    probability: float = Field(description="Calibrated by temperature.")


class Near(BaseModel):
    """A gallery picture near to what was asked about."""

    row: int = Field(description="Of the gallery; its thumbnail is /api/gallery/{row}.")
    file: str = Field(description="Within the folder that it came from.")
    label: int = Field(description="-1 where nobody has said its class.")
    name: str = Field(description="Of its class; empty where nobody has said.")
    distance: float | None = Field(description="Less is nearer; none for the picture that was asked about.")
    thumbnail: bool = Field(description="Whether the package has one.")


class Answer(BaseModel):
    """The answer to one picture."""

    asked: Near | None = Field(description="The gallery picture that was asked about; none for one sent along.")
    guesses: list[Guess] = Field(
        description="Most probable first. None for a gallery picture: its class is known, and the model trained on it."
    )
    neighbours: list[Near] = Field(description="Nearest first.")


class About(BaseModel):
    """What is served."""

    name: str
    classes: list[str] = Field(description="In the order of their labels.")
    pictures: int = Field(description="In the gallery.")
    k: int = Field(description="Neighbours, where a request does not say.")
    distance: str
    backbone: str
    embedding: int = Field(description="Numbers in an embedding.")
    accuracy: float | None = Field(description="Right at first guess, on the test pictures.")
    accuracy_interval: list[float] | None = Field(min_length=2, max_length=2, description="95 %.")
    test_pictures: int | None


class Refusal(BaseModel):
    """Why a request was not answered, in one line."""

    error: str
