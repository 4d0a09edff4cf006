/** The program that others are compared with: it does nothing. */
