"""Synthetic vessels whose every number is known: for cases, tests and accuracy studies."""
