# Attempts: nothing hostile: output without a last newline.
# Expect: completed prints end
print("end", end="")
