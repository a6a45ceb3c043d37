"""Does once, in a zygote, what the first use of a library makes slow in every program.

Only for modules that the zygote preloads. Nothing here may start a thread or keep a file open.
"""

import gc
import importlib
import io
import sys
import warnings

# Parts that their package loads on first use.
_LAZY_MODULES = {
    "scipy": ("scipy.signal", "scipy.stats", "scipy.optimize", "scipy.linalg", "scipy.sparse"),
    "sklearn": ("sklearn.linear_model", "sklearn.ensemble", "sklearn.model_selection"),
}


def warm(preload: list) -> None:
    """Warms what the named modules brought in, and what they are known to load later."""
    packages = {name.partition(".")[0] for name in preload}
    for package, modules in _LAZY_MODULES.items():
        if package in packages:
            for module in modules:
                importlib.import_module(module)
    if "pandas" in packages:
        _warm_pandas()
    if "sklearn" in packages:
        _warm_sklearn()
    if "matplotlib.pyplot" in sys.modules:
        _warm_matplotlib()


def without_collecting(work: object) -> object:
    """What `work` returns, which imports much: that makes hardly any garbage, and a third of its time
    would go into looking for some."""
    thresholds = gc.get_threshold()
    gc.set_threshold(0)
    try:
        return work()
    finally:
        # A package that has chosen something else keeps it.
        if gc.get_threshold()[0] == 0:
            gc.set_threshold(*thresholds)


def silence_show() -> None:
    """Lets `plt.show()` pass in silence: the runner saves what it would have shown."""
    warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")


def _warm_pandas() -> None:
    pandas = sys.modules["pandas"]
    frame = pandas.DataFrame({"group": ["a", "b", "a"], "number": [1.0, 2.0, 3.0]})
    repr(frame.groupby("group").agg({"number": ["mean", "sum"]}))
    pandas.read_csv(io.StringIO("a,b\n1,2\n")).describe()


def _warm_sklearn() -> None:
    model = sys.modules["sklearn.linear_model"].LinearRegression()
    model.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]).predict([[3.0]])


def _warm_matplotlib() -> None:
    pyplot = sys.modules["matplotlib.pyplot"]
    figure, axes = pyplot.subplots()
    axes.plot([0, 1], [0, 1], label="line")
    axes.set_title("title")
    axes.legend()
    figure.savefig(io.BytesIO(), format="png")
    pyplot.close("all")
    # The cache holds open font files, whose descriptors do not survive the way into a child.
    cached = getattr(sys.modules["matplotlib.font_manager"], "_get_font", None)
    if hasattr(cached, "cache_clear"):
        cached.cache_clear()
