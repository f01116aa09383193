def write(n): pass
