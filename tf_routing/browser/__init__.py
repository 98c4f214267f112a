"""A page that runs networks in a browser, on a picture or a drawn digit, and shows what they left out."""
