/* The program that does nothing, which every other one is slower than. */
int
main(void)
{
	return (0);
}
