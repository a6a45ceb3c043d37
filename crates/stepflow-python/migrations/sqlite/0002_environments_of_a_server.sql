-- Whose an environment is: the server in whose folder it lies. The default one is everybody's.
ALTER TABLE python_environments ADD COLUMN instance TEXT;
