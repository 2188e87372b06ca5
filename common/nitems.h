/* The number of a table's rows, so that a table and its bound are one. */
#ifndef COMMON_NITEMS_H
#define COMMON_NITEMS_H

#ifndef nitems
#define nitems(table) (sizeof(table) / sizeof((table)[0]))
#endif

#endif
