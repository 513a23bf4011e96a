/** prom-client asks for the current span of an exemplar; exemplars are off, and the package has fifty modules. */
