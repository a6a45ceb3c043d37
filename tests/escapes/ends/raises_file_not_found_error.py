# Attempts: nothing hostile: an uncaught FileNotFoundError.
# Expect: raised FileNotFoundError
open("nowhere")
