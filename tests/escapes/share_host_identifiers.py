# Attempts: predict the node number or the time-based identifiers of another execution.
# Expect: completed
# Repeat: 10 distinct
import uuid

print(uuid.getnode(), uuid.uuid1())
