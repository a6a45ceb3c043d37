# Attempts: find a secret, or more than the few variables we set, in its environment.
# Expect: completed safe
import json
import os
import re

secret = re.compile("KEY|TOKEN|SECRET|PASS|CRED|AUTH|DATABASE|AWS|GOOGLE|AZURE|OPENAI|ANTHROPIC|CANARY|DOCKER|KUBERNETES|SSH|HOGNOSE", re.I)
suspicious = [name for name in os.environ if secret.search(name)]
print(json.dumps({"escaped": bool(suspicious) or len(os.environ) > 30, "suspicious": suspicious, "count": len(os.environ)}))
