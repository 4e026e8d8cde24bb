"""Icecore in Python: training sets, online features and SQL of a project, as Arrow data.

    import icecore

    project = icecore.open("flights")
    train = project.training_set("delay_model", spine).to_pandas()
    vector = project.get_online_features("delay_model", {"carrier": "UA", …}).to_dict()
    rows = project.sql("select * from processing.flights limit 5").to_polars()
    why = project.explain("delay_model", {"origin": "JFK"}, "origin_temp", at="2013-07-01T12:00:00Z")

The engine is libicecore.so, the same code as the ``icecore`` command; values are equal bit for bit.
"""
from . import errors
from ._native import library as _library
from .errors import IcecoreError
from .evidence import Comparison, DefinitionTests, Explanation, Verification
from .project import Project, Service, open
from .results import Rows, TrainingSet, Vectors

__version__: str = _library.icecore_version().decode()
__all__ = ["Comparison", "DefinitionTests", "Explanation", "IcecoreError", "Project", "Rows", "Service", "TrainingSet",
           "Vectors", "Verification", "errors", "open"]
