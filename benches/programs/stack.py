import numpy, pandas, matplotlib.pyplot, scipy, sklearn, seaborn
print(1)
