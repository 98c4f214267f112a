"""Answers for pictures in files, from a trained network, a SavedModel or an ONNX file."""

from tf_routing.prediction.classifier import Answers, Classifier
from tf_routing.prediction.loading import load_classifier
from tf_routing.prediction.picture_answers import PictureAnswer, predict_pictures
from tf_routing.prediction.picture_search import find_pictures

__all__ = ["Answers", "Classifier", "PictureAnswer", "find_pictures", "load_classifier", "predict_pictures"]
