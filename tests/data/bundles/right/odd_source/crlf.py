WORD = 1


def one():
	return WORD
