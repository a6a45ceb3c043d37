# Attempts: predict what OpenSSL gives another execution as random bytes.
# Expect: completed
# Repeat: 10 distinct
# pandas brings the library along before the fork.
import pandas
import ssl

print(ssl.RAND_bytes(16).hex(), pandas.__name__)
