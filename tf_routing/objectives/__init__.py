"""Training objectives of routed networks: functions of labels, outputs and decisions that return named loss terms."""

import keras  # noqa: F401  (first, so that the registration hook finds no half-imported room)

from tf_routing.objectives.actor import Actor
from tf_routing.objectives.categories import load_categories
from tf_routing.objectives.classification import Classification
from tf_routing.objectives.critic import Critic
from tf_routing.objectives.deep_supervision import DeepSupervision
from tf_routing.objectives.distillation import Distillation
from tf_routing.objectives.diverse_routes import DiverseRoutes
from tf_routing.objectives.dynamic_multipath import DynamicMultipath
from tf_routing.objectives.execution_cost import ExecutionCost
from tf_routing.objectives.members import MemberObjectives
from tf_routing.objectives.objective import Objective
from tf_routing.objectives.policy_gradient import PolicyGradient
from tf_routing.objectives.ponder_cost import PonderCost
from tf_routing.objectives.target_rates import TargetRates

__all__ = [
    "Actor",
    "Classification",
    "Critic",
    "DeepSupervision",
    "Distillation",
    "DiverseRoutes",
    "DynamicMultipath",
    "ExecutionCost",
    "MemberObjectives",
    "Objective",
    "PolicyGradient",
    "PonderCost",
    "TargetRates",
    "load_categories",
]
