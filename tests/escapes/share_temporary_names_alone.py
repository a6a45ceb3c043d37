# Attempts: predict the names of another execution's temporary files.
# Expect: completed
# Repeat: 10 distinct
import tempfile

print(next(tempfile._get_candidate_names()))
