/* What celljacobian.c and its caller share; read by the C compiler and by cffi. */

typedef struct {
    /* the mesh, and the unknowns of each cell: those of node after node, three each, then the pressures */
    const double *place;   /* (n, 3) */
    const int32_t *corner; /* (cells, CORNERS) */
    const int32_t *dof;    /* (cells, ROWS) */
    /* the rule and the basis on the reference cell; second derivatives xx, xy, xz, yy, yz, zz */
    const double *weight;                               /* (POINTS) */
    const double *value, *slope, *curvature;            /* (POINTS, NODES), (POINTS, NODES, 3), (NODES, 6): quadratic */
    const double *linear, *linear_slope;                /* (POINTS, CORNERS), (CORNERS, 3) */
    /* the flow, as in weakform.Coefficients; past, leak and leak_level may be null */
    const double *state, *past, *leak, *leak_level;
    double density, viscosity, scale, newton, density_rate, streamline, grad_div;
    /* the matrix: rows of owned unknowns and their columns; which unknowns are prescribed; room for `where` each */
    const int32_t *start, *column;
    double *entry;
    const uint8_t *held;
    uint8_t *where; /* NOWHERE everywhere */
} Cells;

/* Add the Jacobians of cells whose unknowns are all owned to the matrix. */
void add_jacobians(const Cells *c, const int32_t *cells, int64_t count);

/* Write the Jacobians of cells to (count, 34, 34), rows and columns of prescribed unknowns zero. */
void write_jacobians(const Cells *c, const int32_t *cells, int64_t count, double *out);
