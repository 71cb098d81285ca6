"""What is compared, on which data, and what one run showed."""
