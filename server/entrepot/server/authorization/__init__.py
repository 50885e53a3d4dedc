"""What clients may do: the access policy in force, and tokens that the registry issues."""
