"""Who speaks: consent, name, village, language, the people for whom one may speak."""
