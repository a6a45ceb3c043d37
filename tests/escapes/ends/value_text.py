# Attempts: nothing hostile: a text as last expression.
# Expect: completed value 'naïve 中文'
'naïve ' + '中文'
