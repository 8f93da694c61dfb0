/* Energy of a level of the quantum anharmonic oscillator, H = p^2/2 + x^2/2 + coupling x^4.

   Reads oscillator.in from the current folder, prints the energy, and writes levels.csv: the
   energies of all levels up to the asked one.

   On a grid of n points, H is a matrix with three diagonals. How many of its eigenvalues lie below a
   number is the count of negative terms in a Sturm sequence (J. H. Wilkinson, The Algebraic
   Eigenvalue Problem, 1965, ch. 5), so each is found by bisection. The error falls as 1 / n^2. */
#include <stdio.h>
#include <stdlib.h>

#define HALF_WIDTH 8.0

static int n_below(const double *diagonal, int n, double off, double energy)
{
    int count = 0;
    double term = 1.0;
    for (int i = 0; i < n; i++) {
        term = diagonal[i] - energy - (i ? off * off / term : 0.0);
        if (term == 0.0)
            term = 1e-300;
        count += term < 0.0;
    }
    return count;
}

static double energy_of(int level, const double *diagonal, int n, double off)
{
    double low = 0.0, high = 1.0;
    while (n_below(diagonal, n, off, high) <= level)
        high *= 2.0;
    for (int i = 0; i < 60; i++) {
        double middle = 0.5 * (low + high);
        if (n_below(diagonal, n, off, middle) <= level)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

int main(void)
{
    double coupling;
    int level, n;
    FILE *input = fopen("oscillator.in", "r");
    if (!input || fscanf(input, "coupling = %lf level = %d n = %d", &coupling, &level, &n) != 3) {
        fputs("oscillator.in: expected coupling, level and n\n", stderr);
        return 1;
    }
    if (coupling < 0.0 || level < 0 || n < 10 * (level + 1)) {
        fputs("no bound levels, or too few points for them\n", stderr);
        return 2;
    }
    double step = 2.0 * HALF_WIDTH / (n + 1), off = -0.5 / (step * step);
    double *diagonal = malloc(n * sizeof *diagonal);
    for (int i = 0; i < n; i++) {
        double x = -HALF_WIDTH + (i + 1) * step;
        diagonal[i] = -2.0 * off + 0.5 * x * x + coupling * x * x * x * x;
    }
    FILE *levels = fopen("levels.csv", "w");
    fputs("level,energy\n", levels);
    for (int each = 0; each <= level; each++)
        fprintf(levels, "%d,%.12g\n", each, energy_of(each, diagonal, n, off));
    printf("energy = %.12g\n", energy_of(level, diagonal, n, off));
    free(diagonal);
    return fclose(levels);
}
