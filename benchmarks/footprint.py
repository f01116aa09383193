from benchmarks.results import Finding, Run
def measure(run: Run) -> Finding: raise NotImplementedError
