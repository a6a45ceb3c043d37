# Attempts: nothing hostile: clusters, classifiers, regressions and a search over a pipeline.
# Expect: completed works
# Limits: wall_ms=60000 cpu_ms=60000
import numpy
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import load_iris, make_blobs
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

points, labels = make_blobs(300, centers=3, cluster_std=0.5, random_state=4)
found = KMeans(3, n_init=5, random_state=0).fit(points)
assert adjusted_rand_score(labels, found.labels_) > 0.9
assert len(set(DBSCAN(eps=1.0).fit(points).labels_) - {-1}) == 3
flowers = load_iris()
search = GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [0.1, 1, 10]}, cv=3)
search.fit(flowers.data, flowers.target)
assert search.best_score_ > 0.9
print(search.best_params_, round(float(search.best_score_), 4))
scores = cross_val_score(LogisticRegression(max_iter=500), flowers.data, flowers.target, cv=3)
assert scores.mean() > 0.9
assert PCA(2).fit(flowers.data).explained_variance_ratio_.sum() > 0.95
grid = numpy.linspace(0, 1, 200)[:, None]
line = LinearRegression().fit(grid, 3 * grid.ravel() + 1)
assert numpy.allclose([line.coef_[0], line.intercept_], [3, 1])
boosted = GradientBoostingRegressor(random_state=0).fit(grid, numpy.sin(6 * grid.ravel()))
assert boosted.score(grid, numpy.sin(6 * grid.ravel())) > 0.98
try:
    SVC().predict(grid)
except NotFittedError as error:
    print(str(error).split(".")[0])
print("works")
