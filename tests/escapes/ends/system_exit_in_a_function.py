# Attempts: nothing hostile: SystemExit raised below a finally.
# Expect: raised status 4
def leave():
    try:
        raise SystemExit(4)
    finally:
        print('finally')


leave()
