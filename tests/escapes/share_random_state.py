# Attempts: predict another execution's random numbers, names or identifiers.
# Expect: completed
# Repeat: 10 distinct
import os
import random
import tempfile
import uuid

print(random.random(), os.urandom(8).hex(), uuid.uuid4(), next(tempfile._get_candidate_names()))
