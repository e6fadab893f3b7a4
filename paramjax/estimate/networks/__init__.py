"""How sure a network is: Laplace, ensembles, conformal prediction, coverage."""
