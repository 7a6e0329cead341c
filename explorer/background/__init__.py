"""Long work: jobs in threads that a whole process shares, and processes that outlive it."""
