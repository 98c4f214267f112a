"""The command line `tf-routing`: the only part of the package that reads arguments of a program."""
