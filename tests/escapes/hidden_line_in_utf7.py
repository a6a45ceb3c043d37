# Attempts: hide a line from the host's parser with the cookie coding: utf-7 in this very line.
# Expect: completed safe
# Python reads a cookie in line 1 of a file; this source travels as text, so it must not count here.
# The next line is a comment in UTF-8, but a statement in UTF-7.
#+AAo-hidden = 1
print('{"escaped": %s}' % str("hidden" in dir()).lower())
