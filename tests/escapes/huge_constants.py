# Attempts: stall the host's parser with constants that are costly to fold.
# Expect: completed safe
# Within: 5000
text = "x" * (1 << 20)
row = [0] * (1 << 20)
number = 9**9**5 if len(text) == 0 else 0
print('{"escaped": false}')
