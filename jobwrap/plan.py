"""The plan: all that was decided before the launch, and why. A dry run prints it, a run executes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.image.choose import Choice, Image
from jobwrap.image.reference import PATH, parse_reference
from jobwrap.job.spec import Job
from jobwrap.launch.command import container_command
from jobwrap.launch.environment import Environment, plan_environment
from jobwrap.launch.instance import Instance
from jobwrap.launch.mounts import Dropped, Mount, cover_nodes, plan_mounts
from jobwrap.node.gpu import verify
from jobwrap.node.survey import Node
from jobwrap.settings import Settings
from jobwrap.stage.plan import Staging, copied_paths, plan_staging

if TYPE_CHECKING:
    from jobwrap.launch.credentials import Credential
    from jobwrap.node.runtime import Runtime
    from jobwrap.transfer.fetch import Fetched


class Plan(NamedTuple):
    """One job on one node.

    image    None where the task runs without a container
    runtime  the words that start the container, () without one
    reasons  why it is so, a sentence each
    credentials  those that the task gets
    """

    job: Job
    node: Node
    image: Image | None
    staging: Staging
    mounts: tuple[Mount, ...]
    dropped: tuple[Dropped, ...]
    environment: Environment
    runtime: tuple[str, ...]
    reasons: tuple[str, ...]
    credentials: tuple[Credential, ...] = ()


def make_plan(job: Job, settings: Settings, node: Node, choice: Choice, environ: Mapping[str, str]) -> Plan:
    """All that a launch needs; JobwrapError where this job cannot run on this node as the site allows.

    Whether the node meets the needs of the image is judge_image()'s to tell: a container can start meanwhile.
    """
    if not any(job.command[:1]):
        raise JobwrapError("job.usage", problem="no command was given")
    verify(node.gpus, settings.deadline)
    staging = plan_staging(job, node.cvmfs, settings, environ)
    credentials, given, why = _credentials(job, environ)
    environment = plan_environment(job, node, environ, given)
    image = None if job.here else choice.image()
    mounts: tuple[Mount, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    if image:
        node = _with_dialect(node, settings)
        inputs = [
            Mount(each.source, f"{job.target}/{each.name}") for each in staging.bound if not each.in_place
        ]
        inputs += [Mount(path, "") for path in (*copied_paths(staging), *_named_path(image, node, settings))]
        mounts, dropped = plan_mounts(job, settings, node, inputs, environ)
        image = _with_driver(image, node)
        more, seen = _gpu_mounts(job, node, settings, image)
        mounts, why = mounts + more, why + seen
    plan = Plan(
        job=job,
        node=node,
        image=image,
        staging=staging._replace(cached=(), reasons=()),  # which are among the plan's
        mounts=mounts,
        dropped=dropped,
        environment=environment,
        runtime=(),
        reasons=_reasons(node, image, staging) + why,
        credentials=credentials,
    )
    return with_cached(plan, settings, staging.cached)


def with_cached(plan: Plan, settings: Settings, cached: Sequence[Fetched]) -> Plan:
    """The plan with inputs that lie in the node's cache, and the words that start the container then.

    The site itself put the cache there: its policy on what a job may bind is not asked.
    """
    staging = plan.staging._replace(cached=(*plan.staging.cached, *cached))
    plan = plan._replace(staging=staging)
    if plan.image is None or plan.node.runtime is None:
        return plan
    mounts = (*plan.mounts, *(Mount(each.path, f"{plan.job.target}/{each.name}") for each in cached))
    instance = _instance(plan.job, settings, plan.node, plan.node.runtime, plan.image, mounts)
    runtime, unfit = container_command(instance)
    return plan._replace(
        mounts=tuple(mount for mount in mounts if mount.source not in {each.source for each in unfit}),
        dropped=(*plan.dropped, *unfit),
        runtime=runtime,
    )


def judge_image(plan: Plan, choice: Choice) -> Plan:
    """The plan with all that was found out about its image; JobwrapError where this node cannot run it."""
    pinned = plan.image
    if pinned is None or (image := choice.judged(pinned)) is pinned:
        return plan
    others = plan.reasons[len(pinned.reasons) :]
    return plan._replace(image=image, reasons=(*image.reasons, *others))


def bring_image(plan: Plan, settings: Settings, environ: Mapping[str, str]) -> Plan:
    """The plan with its image on this node: one that lies elsewhere is pulled, once per node."""
    if plan.image is None or not plan.image.pull:
        return plan
    from jobwrap.image import pull

    image = pull.bring(plan.image, plan.job, plan.node, settings, environ)
    said = image.reasons[len(plan.image.reasons) :]
    return plan._replace(image=image, reasons=(*plan.reasons, *said))


def _credentials(
    job: Job, environ: Mapping[str, str]
) -> tuple[tuple[Credential, ...], dict[str, str], tuple[str, ...]]:
    """Those that the job asks for, the variables that point to them, and the reasons."""
    if not job.credentials:
        return (), {}, ()
    from jobwrap.launch.credentials import find, reasons, variables

    credentials = find(job.credentials, environ, job.scratch)
    return credentials, variables(credentials, job), reasons(credentials)


def _named_path(image: Image, node: Node, settings: Settings) -> tuple[str, ...]:
    """The path of an image that the job named by its path: all of it will be seen, as of a bind."""
    named = parse_reference(image.asked, "/").kind == PATH and image.asked != settings.default_image
    trees = tuple(f"{top.rstrip('/')}/" for top in (node.cvmfs, *settings.image_trees))
    return (image.path,) if named and not image.path.startswith(trees) else ()


def _with_driver(image: Image, node: Node) -> Image:
    """bubblewrap, unlike the others, finds no GPU driver by itself: it is told the whole of NVIDIA's."""
    bubblewrap = node.runtime is not None and node.runtime.name == "bwrap"
    if not (bubblewrap and node.gpus.granted and node.gpus.vendor == "nvidia") or image.driver:
        return image
    from jobwrap.image.nvidia import host_driver, host_libraries

    driver = host_driver((), host_libraries(machine=node.machine), "")
    return image._replace(driver=(driver.libraries, driver.binds))


def _gpu_mounts(
    job: Job, node: Node, settings: Settings, image: Image
) -> tuple[tuple[Mount, ...], tuple[str, ...]]:
    """What of the driver is bound where not all of it is, what covers the GPUs of others, and the reasons."""
    if not node.gpus.granted:
        return (), ()
    from jobwrap.node.gpunodes import find_nodes

    nodes = find_nodes(node.gpus, settings.deadline)
    bound = image.driver[1] if image.driver else ()
    mounts = tuple(Mount(path, place, path.startswith("/dev/")) for path, place in bound)
    why = (nodes.why,) if nodes.why else ()
    if node.runtime and node.runtime.name == "bwrap":  # its /dev has nothing but what is put there
        return tuple(each for each in mounts if each.writable and each.source not in nodes.others), why
    return mounts + cover_nodes(job, nodes.others), why


def _instance(
    job: Job, settings: Settings, node: Node, runtime: Runtime, image: Image, mounts: tuple[Mount, ...]
) -> Instance:
    return Instance(
        runtime=runtime,
        image=image.path,
        kind=image.kind,
        target=job.target,
        mounts=mounts,
        gpus=node.gpus.vendor if node.gpus.granted else "",
        network=job.network or settings.network,
        deadline=settings.deadline,
        libraries=image.driver[0] if image.driver else None,
    )


def _with_dialect(node: Node, settings: Settings) -> Node:
    """The node, and what its runtime understands; JobwrapError site.* where there is none that would do."""
    if node.runtime is None:
        raise _no_runtime(node)
    if node.runtime.name != "singularity":
        return node
    from jobwrap.node.dialect import speak

    return node._replace(runtime=speak(node.runtime, settings.deadline))


def _no_runtime(node: Node) -> JobwrapError:
    tried = "; ".join(f"{path}: {why}" for path, why in node.rejected) or "none was found"
    if node.container:
        problem = f"no container runtime was found in this {node.container} container"
        return JobwrapError("site.no_nesting", problem=problem)
    return JobwrapError("site.no_runtime", tried=tried)


def _reasons(node: Node, image: Image | None, staging: Staging) -> tuple[str, ...]:
    reasons = list(image.reasons) if image else ["the task runs without a container: --here"]
    if image and node.runtime:
        called = f", {node.runtime.version}" if node.runtime.version else ""
        reasons.append(f"the runtime is {node.runtime.path}{called}: {node.runtime.source}")
    return (*reasons, *staging.reasons)
