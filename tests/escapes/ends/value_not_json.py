# Attempts: nothing hostile: a value that is no JSON.
# Expect: completed value {1, 2}
{1, 2}
