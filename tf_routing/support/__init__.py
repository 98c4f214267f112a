"""What every room uses and no paper is about: checks of arguments, files, optional packages."""
