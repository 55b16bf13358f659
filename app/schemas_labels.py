"""Labels by hand and taught adapters as they leave through HTTP."""

from collections.abc import Iterable

from pydantic import Field

from app.schemas import LabelScoreView
from app.schemas_base import EXAMPLE_SEGMENT, EXAMPLE_VIDEO_ID, SegmentView, View, example, times
from app.schemas_library import ShotView
from retrieval.adapter_list import AdapterInfo
from retrieval.label_desk import LabelQueue, QueuedShot
from retrieval.label_edits import LabelEdit
from retrieval.label_types import GroupKind, Label, LabelledGroup, Split
from retrieval.teach import Lesson
from retrieval.types import Video

__all__ = [
    "AdapterView",
    "AdaptersResult",
    "LabelEditView",
    "LabelGroupView",
    "LabelGroupsResult",
    "LabelQueueView",
    "LabelView",
    "LabelsResult",
    "LessonView",
    "QueuedShotView",
]

_EXAMPLE_LABEL = {
    **EXAMPLE_SEGMENT,
    "label_id": 7,
    "group": "light",
    "label": "night",
    "video_id": EXAMPLE_VIDEO_ID,
    "video_name": "bikes.mp4",
    "split": None,
    "source": "http",
    "num_boxes": 0,
}


class LabelView(SegmentView):
    """A class on a segment of a film."""

    model_config = example(**_EXAMPLE_LABEL)

    label_id: int
    group: str
    label: str = Field(description="the class")
    video_id: str
    video_name: str
    split: Split | None = Field(description="what it is kept for; null: undecided")
    source: str = Field(description="file that it came from, or `browser`, `http`")
    num_boxes: int = Field(description="boxes in the picture; `sceneprint labels export` has them")

    @classmethod
    def of_label(cls, label: Label, video: Video | None) -> "LabelView":
        """Render a label; `video` gives the frame rate of its timecodes."""
        return cls(
            **times(label.segment, video),
            label_id=label.label_id,
            group=label.group,
            label=label.name,
            video_id=label.video_id,
            video_name=label.video_name or (video.name if video else ""),
            split=label.split,
            source=label.source,
            num_boxes=len(label.boxes),
        )


class LabelsResult(View):
    """A page of labels."""

    model_config = example(labels=[_EXAMPLE_LABEL], next_cursor=None)

    labels: list[LabelView]
    next_cursor: str | None = Field(description="give it back as `cursor` for the next page")


class LabelEditView(View):
    """What a label changed: what was said of the same time by an exclusive group went."""

    model_config = example(added=[_EXAMPLE_LABEL], removed=[])

    added: list[LabelView] = Field(description="empty where it was said already")
    removed: list[LabelView]

    @classmethod
    def of(cls, edit: LabelEdit, video: Video) -> "LabelEditView":
        """Render an edit on one film."""
        return cls(
            added=[LabelView.of_label(label, video) for label in edit.added],
            removed=[LabelView.of_label(label, video) for label in edit.removed],
        )


class LabelGroupView(View):
    """A group of classes."""

    model_config = example(name="light", kind="one_of", classes=["day", "night"])

    name: str
    kind: GroupKind
    classes: list[str]

    @classmethod
    def of(cls, group: LabelledGroup) -> "LabelGroupView":
        """Render a group."""
        return cls(name=group.name, kind=group.kind, classes=list(group.classes))


class LabelGroupsResult(View):
    """All groups."""

    groups: list[LabelGroupView]


class QueuedShotView(View):
    """A shot to label, with what the present answers say of it."""

    video_name: str
    video_id: str
    shot: ShotView
    scores: list[LabelScoreView] = Field(description="every class, best first")
    doubt: float = Field(description="in [0, 1]: how little the answers say")
    is_sure: bool | None = Field(description="null where the words of the classes answer")

    @classmethod
    def of(cls, item: QueuedShot) -> "QueuedShotView":
        """Render a queued shot."""
        return cls(
            video_name=item.video.name,
            video_id=item.video.video_id,
            shot=ShotView.of_shot(item.shot, item.video),
            scores=[
                LabelScoreView(label=one.label, score=round(one.score, 6)) for one in item.scores
            ],
            doubt=round(item.doubt, 6),
            is_sure=item.is_sure,
        )


class LabelQueueView(View):
    """The shots to label next."""

    group: LabelGroupView
    adapter: str | None = Field(description="what answers; null: the words of the classes")
    shots: list[QueuedShotView] = Field(description="in the order in which to look at them")
    num_labelled: dict[str, int] = Field(description="by class, shots that can be learned from")
    num_open: int = Field(description="shots without a label of the group")
    num_sure: int | None = Field(description="open shots that the adapter is sure of")

    @classmethod
    def of(cls, queue: LabelQueue) -> "LabelQueueView":
        """Render a queue."""
        return cls(
            group=LabelGroupView.of(queue.group),
            adapter=queue.adapter,
            shots=[QueuedShotView.of(item) for item in queue.shots],
            num_labelled=dict(queue.num_labelled),
            num_open=queue.num_open,
            num_sure=queue.num_sure,
        )


_EXAMPLE_FIGURES = {"num_shots": 24.0, "cross_fitted_accuracy": 0.875, "cross_fitted_unsure": 0.25}


class AdapterView(View):
    """One version of a taught adapter."""

    model_config = example(
        adapter="mine/2",
        group="light",
        classes=["day", "night"],
        is_exclusive=True,
        method="blended-probe",
        modalities=["picture"],
        error_rate=0.1,
        figures=_EXAMPLE_FIGURES,
    )

    adapter: str = Field(description="as `adapter` of `/v1/classify` takes it")
    group: str
    classes: list[str]
    is_exclusive: bool
    method: str
    modalities: list[str]
    error_rate: float
    figures: dict[str, float] = Field(description="of shots scored without having been seen")

    @classmethod
    def of(cls, info: AdapterInfo) -> "AdapterView":
        """Render an adapter."""
        return cls(
            adapter=info.key,
            group=info.group,
            classes=list(info.classes),
            is_exclusive=info.is_exclusive,
            method=info.method,
            modalities=list(info.encoders),
            error_rate=info.error_rate,
            figures=dict(info.figures),
        )


class AdaptersResult(View):
    """All versions of all adapters."""

    adapters: list[AdapterView]

    @classmethod
    def of(cls, found: Iterable[AdapterInfo]) -> "AdaptersResult":
        """Render adapters."""
        return cls(adapters=[AdapterView.of(info) for info in found])


class LessonView(View):
    """What was learned."""

    model_config = example(
        adapter="mine/2",
        num_shots={"day": 13, "night": 11},
        figures=_EXAMPLE_FIGURES,
        can_be_sure=True,
    )

    adapter: str
    num_shots: dict[str, int] = Field(description="labelled shots of each class")
    figures: dict[str, float] = Field(description="of shots scored without having been seen")
    can_be_sure: bool = Field(
        description="false: too few shots to be sure at this rate of error, all is unsure"
    )

    @classmethod
    def of(cls, lesson: Lesson) -> "LessonView":
        """Render a lesson."""
        return cls(
            adapter=f"{lesson.name}/{lesson.version}",
            num_shots=dict(lesson.num_shots),
            figures=dict(lesson.figures),
            can_be_sure=lesson.can_be_sure,
        )
