# Attempts: nothing hostile: an uncaught CalledProcessError.
# Expect: raised CalledProcessError
import subprocess
import sys

subprocess.run([sys.executable, "-c", "import sys; sys.exit(4)"], check=True)
