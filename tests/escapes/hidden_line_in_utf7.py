# Attempts: hide a line from the host's parser in another source encoding.
# Expect: completed safe
# -*- coding: utf-7 -*-
# The next line is a comment in UTF-8, but a statement in UTF-7.
#+AAo-hidden = 1
print('{"escaped": %s}' % str("hidden" in dir()).lower())
